import { expect, test } from "vitest";
import { contentType } from "../src/content-type.ts";

test.each([
  ["index.html", "text/html; charset=utf-8"],
  ["assets/APP.JS", "text/javascript; charset=utf-8"],
  ["logo.svg", "image/svg+xml; charset=utf-8"],
  ["site.webmanifest", "application/manifest+json; charset=utf-8"],
  ["photo.png", "image/png"],
  ["font.woff2", "font/woff2"],
])("%s is sent as %s", (key, type) => {
  expect(contentType(key)).toBe(type);
});

test.each(["LICENSE", "v1.2/data", "file.unknownkind"])(
  "%s, whose kind is not known, is sent as bytes",
  (key) => {
    expect(contentType(key)).toBe("application/octet-stream");
  },
);
