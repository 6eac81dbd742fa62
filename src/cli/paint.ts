export type Colour = "plain" | "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

const codesOf: Readonly<Record<Colour, readonly [string, string]>> = {
  plain: ["", ""],
  bold: ["\u001b[1m", "\u001b[22m"],
  dim: ["\u001b[2m", "\u001b[22m"],
  red: ["\u001b[31m", "\u001b[39m"],
  green: ["\u001b[32m", "\u001b[39m"],
  yellow: ["\u001b[33m", "\u001b[39m"],
  cyan: ["\u001b[36m", "\u001b[39m"],
};

/** Puts a colour around text that is already clean and already of its final width. */
export type Paint = (colour: Colour, text: string) => string;

export const noColours: Paint = (_colour, text) => text;

export const ansiColours: Paint = (colour, text) => {
  const [on, off] = codesOf[colour];
  return text === "" ? "" : `${on}${text}${off}`;
};

/** Colours mean one thing everywhere; the word beside them says the same, for those who do not see them. */
export function colourOfState(state: string): Colour {
  switch (state) {
    case "healthy":
    case "live":
    case "succeeded":
    case "finished":
    case "allow":
    case "ok":
    case "enabled":
    case "passed":
    case "approved":
      return "green";
    case "connecting":
    case "degraded":
    case "quarantined":
    case "unknown":
    case "approve":
    case "warning":
    case "waiting":
    case "pending":
      return "yellow";
    case "down":
    case "failed":
    case "deny":
    case "broken":
    case "denied":
    case "dead":
      return "red";
    case "disabled":
    case "cancelled":
    case "gone":
    case "refused":
    case "skipped":
    case "expired":
    case "void":
    case "used":
      return "dim";
    default:
      return "plain";
  }
}
