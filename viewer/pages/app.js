// Which page is shown, and which keys it takes. A page is a function (root, state, opened) that returns an
// object with keys: {key: function}, update(state): whether it can show that state itself, and close().

import { el, go, json, say, state } from './page.js';
import { framesPage } from './frames.js';
import { framePage } from './frame.js';
import { housePage } from './house.js';
import { predictionsPage } from './predictions.js';
import { curvesPage } from './curves.js';
import { reportPage } from './report.js';

const PAGES = {
  frames: { title: 'Frames', make: framesPage, there: (o) => o.stores.length },
  frame: { title: '', make: framePage, there: () => false },
  house: { title: 'House', make: housePage, there: (o) => o.houses.length || o.stores.length },
  predictions: { title: 'Predictions', make: predictionsPage, there: (o) => o.studies.length },
  curves: { title: 'Curves', make: curvesPage, there: (o) => o.trainings },
  report: { title: 'Report', make: reportPage, there: (o) => o.studies.length },
};

let shown = null;
let name = '';
let turn = 0;

const FRESH = 5000; // ms that the list of what was opened is used for
let known = null;
let asked = 0;

async function summary() {
  if (!known || performance.now() - asked > FRESH) { known = await json('summary'); asked = performance.now(); }
  return known;
}

async function show() {
  const mine = ++turn;
  const opened = await summary();
  if (mine !== turn) return;
  const there = Object.keys(PAGES).filter((page) => PAGES[page].there(opened));
  const wanted = state().page in PAGES ? state().page : there[0];
  document.getElementById('nav').replaceChildren(...there.map((page) => el('button', {
    className: page === wanted || (wanted === 'frame' && page === 'frames') ? 'chosen' : '',
    onclick: () => go({ page }),
  }, PAGES[page].title)));
  if (shown && name === wanted && shown.update?.(state())) { document.body.dataset.ready = wanted; return; }
  shown?.close?.();
  say('');
  const root = document.getElementById('main');
  root.replaceChildren();
  name = wanted;
  shown = null;
  const made = await PAGES[wanted].make(root, state(), opened);
  if (mine === turn) {
    shown = made;
    document.getElementById('keys').textContent = made.help ?? '';
    document.body.dataset.ready = wanted;
  } else made.close?.();
}

function guarded() { show().catch((error) => say(error.message)); }

window.addEventListener('hashchange', () => { delete document.body.dataset.ready; guarded(); });
window.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, select')) return;
  const act = shown?.keys?.[event.key];
  if (act) { event.preventDefault(); act(); }
});
guarded();
