import { type ErrorCatalogue, pluginErrors } from "@lockstep/plugin";

/** Every code this package may raise. */
export const s3Errors: ErrorCatalogue = {
  ...pluginErrors,
  S3_ANSWER: {
    when: "A server answered with a status that is not part of the exchange.",
    why: "What it did is not known, so nothing is built on it.",
    fix: "Read the status and the server's own words in the message; its logs say more.",
  },
  S3_ASSET_CLASH: {
    when: "A file is named like an asset with a digest in its name, and the object under that name has other bytes.",
    why: "Open pages may still ask for the older bytes, and a name with a digest never changes its meaning.",
    fix: "Give the file another name, or name its pattern in `assets.exclude`: it is then replaced like a page.",
  },
  S3_BUCKET_MISSING: {
    when: "The bucket does not exist, or not in this account.",
    why: "Lockstep never makes a bucket: who may read it is yours to decide.",
    fix: "Make the bucket, or correct `bucket`, `region` and `endpoint`.",
  },
  S3_BUSY: {
    when: "A server went on answering that it is overloaded until the time of the call was over.",
    why: "Asking more often makes it worse for everybody.",
    fix: "Deploy again later; what was sent already is not sent again. Lower `limits.inFlight` where it stays.",
  },
  S3_CLOCK: {
    when: "The clock of this machine is too far from the server's.",
    why: "Signatures carry the time, and old ones are refused.",
    fix: "Set the clock of this machine.",
  },
  S3_CREDENTIALS: {
    when: "No credentials were found, or those that were found are expired or unknown to the server.",
    why: "Every request is signed.",
    fix: "Log in (`aws sso login`), set the usual AWS variables, or name a profile in `credentials`.",
  },
  S3_DENIED: {
    when: "The server knows the account and does not allow the request.",
    why: "Without that right the site cannot be put live, or put back.",
    fix: "Give the account the rights that `lockstep doctor` lists.",
  },
  S3_DISTRIBUTION: {
    when: "The distribution of CloudFront does not exist, or not in this account.",
    why: "Visitors would go on getting what it keeps of older pages.",
    fix: "Correct `cloudfront.distribution`, and allow the account `cloudfront:CreateInvalidation` for it.",
  },
  S3_EMPTY: {
    when: "The source has no file, or no page.",
    why: "A build that failed quietly looks like that, and would empty the site.",
    fix: "Look at the build. If it is meant, add `empty` to `allow`.",
  },
  S3_FOREIGN: {
    when: "Under a key of the release there is an object that Lockstep did not put there.",
    why: "What somebody else put there is never overwritten.",
    fix: "Take the change into the source; then copy back what was deployed, from `.lockstep/blobs/<digest>`, or remove the object. A site that another tool deployed stays where it is: deploy to another prefix or bucket, and switch.",
  },
  S3_HEADERS_FILE: {
    when: "A `_headers` or `_redirects` file, or rules of the config, cannot be read or ask for what a bucket cannot do.",
    why: "Headers that are left out in silence are found by visitors.",
    fix: "Correct the line that the message names, or serve it with a CDN. Lines that may be left out: add `rules` to `allow`.",
  },
  S3_KEY: {
    when: "The path of a file or redirect cannot be a key: it is longer than 1,024 bytes, lies where Lockstep keeps its own objects, or is a symbolic link.",
    why: "Servers and browsers would disagree about which object it is.",
    fix: "Rename the file, or exclude it.",
  },
  S3_KEY_VALUES: {
    when: "The key value store of CloudFront does not exist, is not ready, holds what Lockstep did not write, or is written by others without a pause.",
    why: "It says which release visitors get.",
    fix: "Correct `cloudfront.keyValueStore`, or wait until the store is ready. What others wrote under the names of this site is to be removed by hand; give each site a name of its own.",
  },
  S3_REFERENCES: {
    when: "A page names a file of the site that is not in the release.",
    why: "Visitors would get a broken page.",
    fix: "Look at the build. Links that are meant to be broken: add `references` to `allow`.",
  },
  S3_MANIFEST: {
    when: "A manifest or the control object in the bucket is damaged, gone, or of a newer Lockstep.",
    why: "What cannot be read is never taken for an empty site.",
    fix: "Use a Lockstep that is not older than the last deploy's. A versioned bucket has the object as it was; else deploy to another prefix, and switch.",
  },
  S3_RELEASE_GONE: {
    when: "A release that is to be live again is not complete in the bucket any more.",
    why: "A page must never go live without its files.",
    fix: "Choose a release that `lockstep status` lists as kept, or deploy it anew.",
  },
  S3_ROUTES: {
    when: "The paths or redirects of a release do not fit into the key value store of CloudFront.",
    why: "The router would not find every page.",
    fix: "Keep fewer releases (`keep`), shorten the redirect that the message names, or give each site a store of its own.",
  },
  S3_SHRUNK: {
    when: "The site lost more of its files than `shrink` allows.",
    why: "A build that failed halfway looks like that.",
    fix: "Look at the build. If it is meant, raise `shrink` or add `shrink` to `allow`.",
  },
  S3_STORE_CONDITIONS: {
    when: "The server takes conditional writes and ignores them, or does not know them.",
    why: "Two runs could both hold the lease, and each would overwrite the journal of the other.",
    fix: "Update the server, or keep the state elsewhere; the site itself may stay there.",
  },
  S3_STORE_KEY: {
    when: "Something asked the store in a bucket for a key that no store has.",
    why: "Keys become names of objects, and must mean the same on every server.",
    fix: "This is a bug in what asked; report it.",
  },
  S3_STORE_OPTIONS: {
    when: "The options of `s3Store` are wrong.",
    why: "A store is needed before anything else can be looked at.",
    fix: "Correct the options that the message names.",
  },
  S3_STORE_VALUE: {
    when: "An object where the store keeps its own was not written by it.",
    why: "What somebody else wrote there is no lease and no journal.",
    fix: "Give the store a prefix of its own, and remove what else is there.",
  },
  S3_UNREACHABLE: {
    when: "The server does not answer, or connections to it break.",
    why: "Nothing can be read or written.",
    fix: "Check the endpoint, the region, the network and the certificate.",
  },
};
