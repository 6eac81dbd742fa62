/** Where a number came from stands beside it. All are per server line unless they say "node". */
export interface UpstreamLimits {
  /** From spawn or first byte to a listed catalogue. The slowest real server seen needs 3 s, behind a cold npx 20 s. */
  readonly connectTimeoutMs: number;
  /** How long a stdio server may leave `server/discover` unanswered before it is also offered `initialize`. */
  readonly discoverTimeoutMs: number;
  /** Between health probes. */
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  /** Probes in a row that may go unanswered before an idle connection is given up. */
  readonly probeFailuresMax: number;
  /** Between listings of what a server offers; catches changes on servers that do not notify. */
  readonly relistIntervalMs: number;
  readonly backoffFirstMs: number;
  readonly backoffMaxMs: number;
  /** Node: children at once. A bare Node server has 40 MB of its own; 64 of them fill a 4 GB machine. */
  readonly processesMax: number;
  /** Between closing a child's input and SIGTERM: servers that end by themselves do so within 10 ms. */
  readonly stopPoliteMs: number;
  /** Between SIGTERM and SIGKILL. */
  readonly stopGraceMs: number;
  /** How long calls under way may go on when their server is removed or changed. */
  readonly drainMs: number;
  /** Kept of a child's stderr, newest last. */
  readonly stderrBytesMax: number;
  /** Stderr lines handed on as events per second; more are counted. */
  readonly stderrLinesPerSecondMax: number;
  /** Lines that are not messages, in a row, before a child is given up. Some servers log to stdout. */
  readonly garbageLinesMax: number;
  /** Bytes waiting for a child that does not read. */
  readonly unreadInputBytesMax: number;
  /** One page of a list. The largest real one is 0.5 MB. */
  readonly listBytesMax: number;
  readonly listPagesMax: number;
  /** All pages of a list. What is parsed of it takes several times as much memory, in each profile's catalogue. */
  readonly listCharsMax: number;
  readonly toolsMax: number;
  /** Resources, templates and prompts kept, each. What lies beyond is not listed; it can still be read by its URI. */
  readonly listedMax: number;
  /** Sets of client capabilities whose catalogues are kept up to date: one per kind of client, and there are not many. */
  readonly profilesMax: number;
  /** Sets of capabilities that have a connection beside the first, to a legacy server over HTTP. */
  readonly profileLinesHttpMax: number;
  /** The same over stdio, where each is a process. */
  readonly profileLinesStdioMax: number;
  /** More of them, so that each caller has one to itself, over HTTP: each is a session and a socket. */
  readonly callerLinesHttpMax: number;
  /** The same over stdio: a process of 40 MB each, and the node's processes are bounded too. */
  readonly callerLinesStdioMax: number;
  /** Such a connection is closed after this long without use. */
  readonly profileIdleMs: number;
  /** Nor is it given up sooner than this for a caller that can share another: a process costs 0.2 s of CPU to start. */
  readonly profileKeepMs: number;
  /** A catalogue that nobody asked for in this time is not kept up to date any more. */
  readonly profileForgetMs: number;
  /** Resources that are subscribed to at once, over all callers. */
  readonly watchesMax: number;
  /** Callers that are told of updates, over all of a server's resources. */
  readonly watchersMax: number;
  /** Nesting of one message. */
  readonly messageDepthMax: number;
  /** Between the first connections of many servers: a spawn costs 0.2 s of CPU. */
  readonly startStaggerMs: number;
}

export const defaultUpstreamLimits: UpstreamLimits = {
  connectTimeoutMs: 30_000,
  discoverTimeoutMs: 3_000,
  probeIntervalMs: 15_000,
  probeTimeoutMs: 10_000,
  probeFailuresMax: 3,
  relistIntervalMs: 60_000,
  backoffFirstMs: 500,
  backoffMaxMs: 60_000,
  processesMax: 64,
  stopPoliteMs: 200,
  stopGraceMs: 2_000,
  drainMs: 5_000,
  stderrBytesMax: 64 * 1024,
  stderrLinesPerSecondMax: 20,
  garbageLinesMax: 1_000,
  unreadInputBytesMax: 8 * 1024 * 1024,
  listBytesMax: 8 * 1024 * 1024,
  listPagesMax: 64,
  listCharsMax: 16 * 1024 * 1024,
  toolsMax: 5_000,
  listedMax: 5_000,
  profilesMax: 64,
  profileLinesHttpMax: 8,
  profileLinesStdioMax: 3,
  callerLinesHttpMax: 64,
  callerLinesStdioMax: 3,
  profileIdleMs: 300_000,
  profileKeepMs: 30_000,
  profileForgetMs: 3_600_000,
  watchesMax: 1_000,
  watchersMax: 10_000,
  messageDepthMax: 256,
  startStaggerMs: 50,
};
