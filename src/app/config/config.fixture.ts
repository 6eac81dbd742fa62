import type { Config } from "./config.ts";
import { problemText, readConfig } from "./config.ts";

const file = "/etc/signalbox/signalbox.yaml";
export const read = (text: string, env: Record<string, string> = {}) => readConfig({ text, file, env });
/** Throws what is wrong with it. */
export const accepted = (text: string, env: Record<string, string> = {}): Config => {
  const result = read(text, env);
  if (!result.ok) throw new Error(result.refusal.map((problem) => problemText(file, problem)).join("\n"));
  return result.value;
};
/** `line path: message` for each problem. */
export const problems = (text: string, env: Record<string, string> = {}): string[] => {
  const result = read(text, env);
  return result.ok ? [] : result.refusal.map(({ line, path, message }) => `${line} ${path}: ${message}`);
};
