import { describe } from "vitest";
import { sessionLegs } from "./legs.ts";
import { describeServerSuite } from "./server-suite.ts";

describe("the conformance suite with clients that open a session", () => {
  describeServerSuite(sessionLegs);
});
