import { blob, integer, keyedTable, text } from "../store/index.ts";

/** Signals that wait to be taken; the first of a name wins until then. */
export const signalTable = keyedTable({
  name: "run_signal",
  since: 2,
  key: ["run", "name"],
  columns: {
    run: text,
    name: text,
    id: text, // whoever takes it proves that it is still this one
    payload: blob, // JSON text, sealed under the run's key
  },
});

/** What a run remembers, without the contents: small rows to count and to choose by. */
export const snapshotTable = keyedTable({
  name: "run_snapshot",
  since: 2,
  key: ["run", "slot", "version"],
  indexes: { digest: ["run", "slot", "digest"] },
  columns: {
    run: text,
    slot: text,
    version: integer, // from 1
    digest: text,
    bytes: integer,
  },
});

/** The contents, sealed under the run's key; a row for each row of `run_snapshot`. */
export const contentTable = keyedTable({
  name: "run_content",
  since: 2,
  key: ["run", "slot", "version"],
  columns: { run: text, slot: text, version: integer, sealed: blob },
});

/** Bytes that steps and memory of a run refer to, without the bytes: small rows to count. */
export const artefactTable = keyedTable({
  name: "run_artefact",
  since: 2,
  key: ["run", "digest"],
  columns: { run: text, digest: text, bytes: integer },
});

/** The bytes, sealed under the run's key; a row for each row of `run_artefact`. */
export const artefactContentTable = keyedTable({
  name: "run_artefact_content",
  since: 2,
  key: ["run", "digest"],
  columns: { run: text, digest: text, sealed: blob },
});

/** Runs that have ended and had started others: what is left of those is still to be ended. */
export const endedParentTable = keyedTable({
  name: "run_ended_parent",
  since: 2,
  key: ["run"],
  columns: { run: text, tenant: text },
});

export const runsTables = [
  signalTable,
  snapshotTable,
  contentTable,
  artefactTable,
  artefactContentTable,
  endedParentTable,
] as const;
