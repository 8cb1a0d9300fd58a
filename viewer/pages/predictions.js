// Predictions of the arms of a study beside the truth.

import { address, choice, el, go, json } from './page.js';

const TALL = 128; // pixels

export async function predictionsPage(root, now, opened) {
  const study = opened.studies.some((s) => s.id === now.study) ? now.study : opened.studies[0].id;
  const facts = await json('study', { study });
  const names = [...new Set(facts.rows.flatMap((row) => Object.keys(row.evaluations)))];
  const evaluation = names.includes(now.evaluation) ? now.evaluation : names[0];
  const repeats = [...new Set(facts.rows.map((row) => String(row.repeat)))];
  const repeat = repeats.includes(now.repeat) ? now.repeat : repeats[0];
  const rows = facts.rows.filter((row) => String(row.repeat) === repeat && row.evaluations[evaluation]);
  const side = el('aside', {},
    choice('study', opened.studies.map((s) => [s.id, s.name]), study, (s) => go({ study: s, evaluation: '', repeat: '' })),
    names.length ? choice('evaluated in', names.map((n) => [n, n]), evaluation, (e) => go({ evaluation: e })) : null,
    repeats.length ? choice('repeat', repeats.map((r) => [r, r]), repeat, (r) => go({ repeat: r })) : null,
    el('p', {}, facts.question));
  const body = el('section', {});
  root.append(side, body);
  if (!rows.length) {
    body.append(el('p', { className: 'note' }, 'No run of this study has kept predictions yet.'));
    return {};
  }
  // Arms that were scored on other frames stand in a table of their own.
  for (const of of new Set(rows.map((row) => row.evaluations[evaluation].of))) {
    body.append(table(study, evaluation, rows.filter((row) => row.evaluations[evaluation].of === of)));
  }
  body.prepend(key(rows[0].evaluations[evaluation].classes, await json('colours')));
  const at = repeats.indexOf(repeat);
  return {
    help: '← → repeat',
    keys: {
      ArrowLeft: () => at > 0 && go({ repeat: repeats[at - 1] }, true),
      ArrowRight: () => at + 1 < repeats.length && go({ repeat: repeats[at + 1] }, true),
    },
  };
}

function table(study, evaluation, rows) {
  const score = (row) => row.evaluations[evaluation].miou;
  const named = rows.map((row) => el('th', {}, row.label, el('br'),
    score(row) == null ? '' : `mIoU ${(100 * score(row)).toFixed(1)} %`));
  const cell = (row, what, index) => el('td', {}, el('img', {
    className: what === 'rgb' ? '' : 'sharp', alt: what, height: TALL, loading: 'lazy',
    src: address('prediction', { study, row: row.file, evaluation, what, index, size: TALL }),
  }));
  const lines = Array.from({ length: rows[0].evaluations[evaluation].frames }, (_, i) => el('tr', {},
    cell(rows[0], 'rgb', i), cell(rows[0], 'truth', i), ...rows.map((row) => cell(row, 'prediction', i))));
  return el('table', {}, el('tr', {}, el('th', {}, 'image'), el('th', {}, 'truth'), ...named), ...lines);
}

function key(classes, colours) {
  return el('p', { className: 'note' }, ...classes.flatMap((name, i) => {
    const swatch = el('span', { className: 'swatch' });
    swatch.style.background = `rgb(${colours[(i + 1) % 256]})`;
    return [el('span', { className: 'together' }, swatch, name), ' '];
  }));
}
