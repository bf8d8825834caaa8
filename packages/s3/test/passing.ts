import { type Asked, type Front, s3Error, type Trick } from "./front.ts";

/** Plays a trick on the first `times` requests that are meant. */
export function firstOf(
  isMeant: (asked: Asked) => boolean,
  trick: Trick,
  times = 1,
): Front["trick"] {
  let left = times;
  return (asked) => {
    if (left === 0 || !isMeant(asked)) return undefined;
    left -= 1;
    return trick;
  };
}

/** An upload to where nobody looks. */
export const isBlob = ({ method, url, isCopy }: Asked): boolean =>
  method === "PUT" && url.includes("/blobs/") && !isCopy;

const isPut = ({ method }: Asked): boolean => method === "PUT";
const isAsset = ({ method, url }: Asked): boolean => method === "PUT" && url.includes("/assets/");
const isControl = ({ method, url }: Asked): boolean =>
  method === "PUT" && url.includes("current.json");
const isCopy = (asked: Asked): boolean => asked.isCopy;

/** Trouble that passes: its name, the requests that it meets, and what it is. A deploy is done in spite of it. */
export const passing: readonly (readonly [string, (asked: Asked) => boolean, Trick])[] = [
  ["a connection that ends in the middle of an upload", isBlob, "reset"],
  ["a connection that ends in place of the answer to a page", isBlob, "lose"],
  ["a connection that ends in place of the answer to an asset", isAsset, "lose"],
  ["a connection that ends in place of the answer to the control object", isControl, "lose"],
  ["a connection that ends in place of the answer to a copy", isCopy, "lose"],
  [
    "a page of a proxy in place of an answer",
    isPut,
    { status: 502, body: "<html><h1>Bad Gateway" },
  ],
  ["an answer without a body", isPut, { status: 500 }],
  [
    "a gateway that waited too long",
    ({ method }) => method === "HEAD",
    { status: 504, body: "late" },
  ],
  [
    "an overloaded server that speaks no XML",
    ({ method }) => method === "GET",
    { status: 503, body: "busy" },
  ],
  ["a copy that fails under status 200", isCopy, { status: 200, body: s3Error("InternalError") }],
  [
    "two writers of one key at the same time",
    isControl,
    { status: 409, body: s3Error("ConditionalRequestConflict") },
  ],
  ["bytes that were changed on the way", isBlob, "flip"],
];
