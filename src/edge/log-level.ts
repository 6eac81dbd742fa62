/** From the least to the most severe (RFC 5424, as MCP names them). */
const levels = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

export const isLogLevel = (level: unknown): level is string => levels.includes(level as string);

/** Whether a message is at least as severe as the caller wants. One without a level that we know is not. */
export const isWanted = (level: unknown, least: string): boolean =>
  isLogLevel(level) && levels.indexOf(level) >= levels.indexOf(least);
