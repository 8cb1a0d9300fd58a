// The frames of a store that a filter lets through, in the store's order, without a list of them all.

import { json } from './page.js';

const SHOWN_AT_ONCE = 200;

/** Loads what a store holds; kept, since every page of it asks. */
const known = new Map();
export async function storeFacts(store) {
  if (!known.has(store)) known.set(store, await json('store', { store }));
  return known.get(store);
}

export class FrameList {
  /** `filter`: {space, role, class}, names; empty ones let everything through. */
  constructor(store, facts, filter) {
    Object.assign(this, { store, facts, filter });
    this.runs = facts.runs.filter(([space, role]) => (!filter.space || facts.spaces[space] === filter.space)
      && (!filter.role || facts.roles[role] === filter.role));
    this.starts = [0];
    for (const run of this.runs) this.starts.push(this.starts.at(-1) + run[4]);
    this.total = this.starts.at(-1);
    this.found = filter.class ? [] : null;
    this.next = filter.class && this.total ? 0 : null;
  }

  get length() { return this.found ? this.found.length : this.total; }

  /** Whether a search for a class has not seen all frames. */
  get searching() { return this.next !== null; }

  /** Searches on for half a second. */
  async more() {
    if (this.next === null) return;
    const { space, role } = this.filter;
    const got = await json('find', {
      store: this.store, space: space ?? '', role: role ?? '', class: this.filter.class,
      after: this.next, limit: SHOWN_AT_ONCE,
    });
    this.found.push(...got.found);
    this.next = got.next;
  }

  /** The frame at a place of the list. */
  at(index) {
    const position = this.found ? this.found[index] : index;
    let low = 0;
    let high = this.runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle] <= position) low = middle; else high = middle - 1;
    }
    const [space, role, part, start] = this.runs[low];
    const { spaces, roles, parts } = this.facts;
    return {
      space: spaces[space], role: roles[role], part: parts[part], frame: start + position - this.starts[low],
    };
  }

  /** The place of a frame, -1 where it is not in the list (yet). */
  indexOf(part, frame) {
    const which = this.facts.parts.indexOf(part);
    const run = this.runs.findIndex((r) => r[2] === which && r[3] <= frame && frame < r[3] + r[4]);
    if (run < 0) return -1;
    const position = this.starts[run] + frame - this.runs[run][3];
    return this.found ? this.found.indexOf(position) : position;
  }
}
