import { describe, expect, it } from "vitest";
import { canonicalJson } from "../src/index.ts";

describe("canonical JSON", () => {
  it("is the same for the same value, whatever the order of its keys", () => {
    const value = { b: [1, { y: null, x: "é\n" }], a: true, none: undefined };

    expect(canonicalJson(value)).toBe('{"a":true,"b":[1,{"x":"é\\n","y":null}]}');
    expect(canonicalJson({ a: true, b: [1, { x: "é\n", y: null }] })).toBe(canonicalJson(value));
  });

  it("sorts keys by UTF-16 code units, as RFC 8785 does", () => {
    expect(canonicalJson({ "\u{1F600}": 1, "\uFB33": 2, "1": 3, "\r": 4, ö: 5 })).toBe(
      '{"\\r":4,"1":3,"ö":5,"\u{1F600}":1,"\uFB33":2}',
    );
  });

  it("refuses numbers that JSON cannot hold", () => {
    expect(() => canonicalJson({ a: [Number.NaN] })).toThrow(TypeError);
  });
});
