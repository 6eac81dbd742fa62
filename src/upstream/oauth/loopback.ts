/** Whether a URL's host is this machine by its very name or number: plain http to it never leaves the machine (RFC 8252). */
export const isLoopbackHost = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
