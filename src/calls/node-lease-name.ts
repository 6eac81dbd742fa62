const prefix = "node/";

/** The lease of a node, by which everybody sees that it lives: alike here and where it is taken. */
export const nodeLeaseName = (node: string): string => `${prefix}${node}`;

export const isNodeLease = (lease: string): boolean => lease.startsWith(prefix);

export const nodeOfLease = (lease: string): string => lease.slice(prefix.length);
