// The page of a study, as it was drawn last, in a frame that runs no script.

import { address, choice, el, go, json, say } from './page.js';

export async function reportPage(root, now, opened) {
  const study = opened.studies.some((s) => s.id === now.study) ? now.study : opened.studies[0].id;
  if (opened.studies.length > 1) {
    root.append(el('aside', {}, choice('study', opened.studies.map((s) => [s.id, s.name]), study, (s) => go({ study: s }))));
  }
  const got = await fetch(address('report', { study }), { method: 'HEAD' });
  if (!got.ok) {
    await json('report', { study }).catch((error) => say(error.message));
    return {};
  }
  root.append(el('iframe', { src: address('report', { study }), title: 'report', sandbox: '' }));
  return {};
}
