import type { Profile } from "../registry/index.ts";

export const tasksExtension = "io.modelcontextprotocol/tasks";

/** Whether a caller can be answered with a task (tasks extension, "Capability Negotiation"). */
export const speaksTasks = ({ capabilities }: Profile): boolean => {
  const extensions = capabilities["extensions"];
  return typeof extensions === "object" && extensions !== null && tasksExtension in extensions;
};
