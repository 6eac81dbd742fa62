import { newId } from "../../base/index.ts";
import type { AnswerDesk, Delivery, Letter } from "../../calls/index.ts";
import type { EdgeOptions } from "../options.ts";
import type { Session } from "./session-ids.ts";
import type { AskAnswer } from "./session-state.ts";
import type { SessionStates } from "./session-states.ts";

type QuestionsOptions = Pick<EdgeOptions, "clock" | "random" | "sessionSealing" | "answersElsewhere">;

/** What sealing makes of names and keys of ours, with room. */
const idCharsMax = 1_024;
/** What is sealed with the keys of session ids and begins with this is no session. */
const tag = "ask";

/**
 * The questions that sessions of this node have open, and the way for answers that arrive on another one: an id says, sealed, where it
 * was asked and in which session, and only that session's client can answer it, wherever its answer arrives.
 */
export class Questions implements AnswerDesk {
  private readonly options: QuestionsOptions;
  private readonly states: SessionStates;
  private open = 0;

  constructor(options: QuestionsOptions, states: SessionStates) {
    this.options = options;
    this.states = states;
  }

  get hasOpen(): boolean {
    return this.open > 0;
  }

  /** One more question; its id. Whoever begins one ends it. */
  begin(session: Session): string {
    const { clock, random, sessionSealing, answersElsewhere } = this.options;
    this.open++;
    const id = newId("ask", clock.wall(), random);
    if (answersElsewhere === undefined || answersElsewhere === null) return id;
    answersElsewhere.watch(this);
    const { node, fence } = answersElsewhere.here;
    return sessionSealing.seal(JSON.stringify([tag, node, fence, session.key, id]));
  }

  end(): void {
    this.open--;
  }

  /** An answer that arrived elsewhere. */
  take({ client, question, answer }: Letter): boolean {
    return this.states.findByKey(client)?.answer(question, answer) === true;
  }

  /** An answer that arrived here, to no question of this node. */
  async carry(session: Session, id: unknown, answer: AskAnswer, signal: AbortSignal): Promise<Delivery> {
    const { answersElsewhere } = this.options;
    if (answersElsewhere === undefined || answersElsewhere === null || typeof id !== "string") return "gone";
    const asked = id.length > idCharsMax ? null : askedIn(this.options.sessionSealing.open(id));
    if (asked === null || asked.client !== session.key) return "gone";
    return answersElsewhere.deliver(asked.at, { client: session.key, question: id, answer }, signal);
  }
}

/** null = it is no id of a question. */
function askedIn(text: string | null) {
  if (text === null) return null;
  const [what, node, fence, client] = JSON.parse(text) as readonly unknown[]; // sealed by one of our nodes
  if (what !== tag || typeof node !== "string" || typeof fence !== "number" || typeof client !== "string")
    return null;
  return { at: { node, fence }, client };
}
