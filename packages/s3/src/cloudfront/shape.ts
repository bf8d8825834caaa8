/** What no page is named like: only such files are put into the pool, and looked for in it. */
export const POOLED: RegExp = /\.(?![hH][tT][mM][lL]?$)[^./]+$/;

/**
 * What a name looks like that may hold a digest of its content, as CloudFront Functions can say it: without
 * lookbehind. A test compares it with how the rest of the package sees names.
 */
export const DIGESTED: RegExp =
  /(?:^|\/)(?![^/]*\.[hH][tT][mM][lL]?$)(?:[^/]*\.(?!(?:19|20)\d\d(?:0[1-9]|1[0-2]))\d{8,64}|(?:[^/]*[._-])?(?:(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{8,64}|(?=\w*\d)(?=\w*[A-Z])[0-9A-Z]{8,32}|(?=\w*\d)(?=\w*[a-z])(?=\w*[A-Z])\w{8,32}))[._-][^/]*$/;
