import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ansiColours, noColours } from "./paint.ts";
import { fieldsText, tableText } from "./table.ts";
import { cutTo, displayWidth } from "./width.ts";

interface Row {
  readonly name: string;
  readonly text: string;
}

const columns = [
  { title: "name", of: (row: Row) => row.name, keep: true },
  { title: "text", of: (row: Row) => row.text },
];
const plain = { width: null, paint: noColours };

describe("a table", () => {
  test("lines its columns up, and leaves no blanks at the ends of lines", () => {
    const rows = [
      { name: "a", text: "one" },
      { name: "longer", text: "two" },
    ];
    expect(tableText(columns, rows, plain)).toBe("NAME    TEXT\na       one\nlonger  two");
  });

  test("cuts what is too wide for the terminal, and keeps what people copy", () => {
    const rows = [
      { name: "call_01jd0000000000000000000000", text: "a very long description of a tool ".repeat(5) },
    ];
    const lines = tableText(columns, rows, { width: 60, paint: noColours }).split("\n");
    expect(lines.every((line) => displayWidth(line) <= 60)).toBe(true);
    expect(lines[1]).toContain("call_01jd0000000000000000000000");
    expect(lines[1]).toMatch(/…$/);
  });

  test("gives each row lines of its own where a table does not fit", () => {
    const rows = [{ name: "x".repeat(50), text: "a description" }];
    const text = tableText(columns, rows, { width: 40, paint: noColours });
    expect(text).toBe(`name  ${"x".repeat(50)}\ntext  a description`);
  });

  test("counts wide signs as two columns, and combining ones as none", () => {
    const rows = [
      { name: "漢字", text: "x" },
      { name: "e\u0301e", text: "y" },
      { name: "👩‍🚀", text: "z" },
    ];
    const lines = tableText(columns, rows, plain).split("\n").slice(1);
    expect(lines.map((line) => displayWidth(line.slice(0, -1)))).toEqual([6, 6, 6]);
  });

  test("colours text without changing where it stands", () => {
    const rows = [{ name: "a", text: "b" }];
    const painted = tableText(
      columns.map((column) => ({ ...column, colour: () => "red" as const })),
      rows,
      { width: 80, paint: ansiColours },
    );
    // eslint-disable-next-line no-control-regex -- taking the colours out is the point
    expect(painted.replace(/\u001b\[\d+m/g, "")).toBe(tableText(columns, rows, plain));
  });

  test("whatever the data, no line of a table is wider than the terminal and none drives it", () => {
    const hostile = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 60 }),
      fc.constantFrom(
        "\u001b[2J",
        "\u202Eabc",
        "a\nb",
        "\u0007",
        "\u001b]8;;http://x\u0007y",
        "\u200b",
        "\u{e0041}",
      ),
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ name: hostile, text: hostile }), { maxLength: 5 }),
        fc.integer({ min: 40, max: 120 }),
        (rows, width) => {
          const text = tableText(columns, rows, { width, paint: noColours });
          const lines = text.split("\n");
          const isTable = text.startsWith("NAME");
          if (isTable) expect(lines.length).toBe(rows.length + 1);
          for (const line of lines) {
            if (isTable) expect(displayWidth(line)).toBeLessThanOrEqual(width);
            // eslint-disable-next-line no-control-regex -- finding controls is the point
            expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
          }
        },
      ),
    );
  });
});

test("a text is cut so that it fits, whatever is in it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 0, max: 30 }), (text, width) => {
      expect(displayWidth(cutTo(text, width))).toBeLessThanOrEqual(Math.max(width, 0));
    }),
  );
});

test("fields stand under each other, also those of several lines", () => {
  expect(
    fieldsText(
      [
        ["a", "1"],
        ["long", "2\n3"],
        ["none", null],
      ],
      noColours,
    ),
  ).toBe("a     1\nlong  2\n      3");
});
