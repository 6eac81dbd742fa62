/** Time in microseconds, events in order, and threads that share cores: what turns.ts plays on. Nothing here is of Signalbox. */

interface Event {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

/** Events by their time; those of one instant in the order in which they were asked for. */
export class Timeline {
  now = 0;
  private readonly heap: Event[] = [];
  private asked = 0;

  after(us: number, then: () => void): void {
    const event = { at: this.now + us, order: this.asked++, act: then };
    const { heap } = this;
    let at = heap.push(event) - 1;
    for (
      let parent = (at - 1) >> 1;
      at > 0 && isBefore(event, heap[parent] as Event);
      parent = (at - 1) >> 1
    ) {
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  runUntil(endUs: number): void {
    for (let next = this.heap[0]; next !== undefined && next.at <= endUs; next = this.heap[0]) {
      this.take();
      this.now = next.at;
      next.act();
    }
    this.now = endUs;
  }

  private take(): void {
    const { heap } = this;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

const isBefore = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** A thread runs so long until another one that waits gets its core: as a busy kernel does it, about. */
const quantumUs = 1_000;

/** Cores that threads share, in turns. A part of a core makes all of them slower: others have the rest. */
export class Cores {
  readonly timeline: Timeline;
  private free: number;
  private readonly speed: number;
  private readonly ready: Thread[] = [];

  constructor(timeline: Timeline, cores: number) {
    this.timeline = timeline;
    this.free = Math.ceil(cores);
    this.speed = cores / this.free;
  }

  enter(thread: Thread): void {
    this.ready.push(thread);
    this.run();
  }

  private run(): void {
    while (this.free > 0) {
      const thread = this.ready.shift();
      if (thread === undefined) return;
      this.free--;
      const { us, isDone } = thread.slice(quantumUs);
      this.timeline.after(us / this.speed, () => {
        this.free++;
        thread.ran(us, isDone);
        this.run();
      });
    }
  }
}

interface Job {
  left: number;
  readonly act: () => void;
}

/** Does its jobs one after the other, in the order in which they came: an event loop, or a database's backend. */
export class Thread {
  usedUs = 0;
  private readonly cores: Cores;
  private jobs: Job[] = [];
  private head = 0;
  private isIn = false;

  constructor(cores: Cores) {
    this.cores = cores;
  }

  do(us: number, then: () => void): void {
    this.jobs.push({ left: us, act: then });
    this.enter();
  }

  /** Before all that waits. Only for what follows at once from a job of this thread that has just ended. */
  doNext(us: number, then: () => void): void {
    this.jobs.splice(this.head, 0, { left: us, act: then });
    this.enter();
  }

  private enter(): void {
    if (this.isIn) return;
    this.isIn = true;
    this.cores.enter(this);
  }

  /** As much as fits into a quantum of what comes next: many small jobs in one go, whose ends are then told together. */
  slice(quantum: number): { us: number; isDone: number } {
    let us = 0;
    let isDone = 0;
    for (let at = this.head; at < this.jobs.length; at++) {
      const job = this.jobs[at] as Job;
      const part = Math.min(job.left, quantum - us);
      us += part;
      job.left -= part;
      if (job.left > 0) break;
      isDone++;
      if (us >= quantum) break;
    }
    return { us, isDone };
  }

  ran(us: number, isDone: number): void {
    this.usedUs += us;
    const ended = this.jobs.slice(this.head, this.head + isDone);
    this.head += isDone;
    if (this.head > 1_024) {
      this.jobs = this.jobs.slice(this.head);
      this.head = 0;
    }
    for (const { act } of ended) act();
    this.isIn = this.head < this.jobs.length;
    if (this.isIn) this.cores.enter(this);
  }
}
