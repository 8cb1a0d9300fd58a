#!/bin/sh
# Installs Debian's Chromium and its driver, for tests of pages, if that can be done without a question. It
# never fails: without them those tests are skipped, and say so.
command -v chromium >/dev/null 2>&1 && command -v chromedriver >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    quiet="env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -qq"
    $quiet update >/dev/null 2>&1 </dev/null
    $quiet install -y --no-install-recommends chromium chromium-driver fonts-dejavu-core >/dev/null 2>&1 </dev/null
fi
command -v chromedriver >/dev/null 2>&1 || echo "No Chromium: tests of pages are skipped." >&2
exit 0
