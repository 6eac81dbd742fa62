import type * as client from "@modelcontextprotocol/client";

export type Sdk = typeof client;

/** The official client, for its OAuth functions alone. Half a megabyte of code: loaded when the first server needs it. */
export const loadSdk = (): Promise<Sdk> => import("@modelcontextprotocol/client");
