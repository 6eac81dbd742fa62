import { describe } from "vitest";
import { statelessLegs } from "./legs.ts";
import { describeServerSuite } from "./server-suite.ts";

describe("the conformance suite with clients that send self-contained requests", () => {
  describeServerSuite(statelessLegs);
});
