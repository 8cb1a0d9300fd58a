#!/bin/sh
# A stand-in for AI2-THOR's Unity program (it is not AI2-THOR), for the client's local_executable_path.
# See agents/ai2thor/standin.py. TESTSPACE_PYTHON names an interpreter other than the repository's own.
root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
python=${TESTSPACE_PYTHON:-$root/.venv/bin/python}
[ -x "$python" ] || python=python3
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONPATH
exec "$python" -m agents.ai2thor.standin "$@"
