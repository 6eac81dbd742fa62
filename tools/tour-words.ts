const paint = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
export const bold = (text: string) => (paint ? `\u001b[1m${text}\u001b[0m` : text);
export const dim = (text: string) => (paint ? `\u001b[2m${text}\u001b[0m` : text);
export const say = (text = "") => process.stdout.write(`${text}\n`);
let chapters = 0;
export const chapter = (title: string) => say(`\n${bold(`${++chapters}. ${title}`)}`);
export const show = (text: string) => say(text.replaceAll(/^/gm, "   "));

export class Surprise extends Error {}
export const expectThat = (condition: boolean, what: string): void => {
  if (!condition) throw new Surprise(`the tour expected that ${what}`);
};

export function textOf(result: { content?: unknown }): string {
  const blocks = Array.isArray(result.content) ? (result.content as { text?: unknown }[]) : [];
  return blocks.map(({ text }) => (typeof text === "string" ? text : "")).join("\n");
}

export function receiptOf(result: { _meta?: Record<string, unknown> | undefined }): string {
  const receipt = result._meta?.["dev.signalbox/receipt"] as { entry?: string } | undefined;
  expectThat(typeof receipt?.entry === "string", "every answer carries a receipt");
  return receipt?.entry ?? "";
}
