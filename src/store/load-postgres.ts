/** The PostgreSQL store, read when somebody has one: a node on SQLite has no use for its driver. */
export const loadPostgres = () => import("./postgres/index.ts");
