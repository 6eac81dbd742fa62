import { keyedTable, text } from "../../store/index.ts";

/** One row, written at the first start and never changed: the installation's id stands in every checkpoint. */
export const installationTable = keyedTable({
  name: "installation",
  key: ["only"],
  columns: { only: text, id: text },
});
