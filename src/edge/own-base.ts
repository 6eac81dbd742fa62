/** Under which address a caller knows us. Host was checked against the allow-list, so it may stand in an answer. */
export const ownBase = (publicUrl: string | null, host: string | undefined): string =>
  (publicUrl ?? `http://${host ?? ""}`).replace(/\/$/, "");
