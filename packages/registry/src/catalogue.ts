import { type ErrorCatalogue, pluginErrors } from "@lockstep/plugin";

/** Every code this package may raise. */
export const registryErrors: ErrorCatalogue = {
  ...pluginErrors,
  REGISTRY_ADDRESS_REFUSED: {
    when: "A registry led to an address that is nearer than the registry itself, or to a link-local one.",
    why: "A public registry that points into a private network, or at the metadata of a cloud machine, is wrong or hostile.",
    fix: "Look at the realm, redirect or upload location of the message. A host you mean is named in `trustedRealms` or as the registry itself.",
  },
  REGISTRY_ANSWER: {
    when: "A registry answered with a status that is not part of the exchange.",
    why: "What it did is not known, so nothing is built on it.",
    fix: "Read the status and the registry's own words in the message; the logs of the registry say more.",
  },
  REGISTRY_ANSWER_LARGE: {
    when: "An answer was larger than any honest one: a manifest over 4 MiB, a token over 128 KiB.",
    why: "It would fill the memory of this machine.",
    fix: "Check the name of the registry, and what stands between.",
  },
  REGISTRY_ARCHIVE: {
    when: "An OCI layout or an archive of an image is damaged, hostile, or not one.",
    why: "Only bytes that match their digests are pushed.",
    fix: "Write the archive anew, with `docker save` or as an OCI layout.",
  },
  REGISTRY_BASE: {
    when: "A base image has no build for a wanted platform, or is no image at all.",
    why: "The image would not run there.",
    fix: "Choose another base, or name only platforms it is built for.",
  },
  REGISTRY_BUSY: {
    when: "A registry asks to wait longer than the run may.",
    why: "Asking again earlier makes it worse for everybody behind the same address.",
    fix: "Deploy again later, or raise `limits.maxWaitMs`. A login raises the limits of Docker Hub.",
  },
  REGISTRY_CONTENT: {
    when: "Bytes that a registry gave or says it stored do not have the digest they were asked by.",
    why: "Damaged or exchanged content never goes live.",
    fix: "Deploy again; where it stays, look at the registry's storage and at mirrors in between.",
  },
  REGISTRY_CREDENTIALS: {
    when: "A file of credentials cannot be read or is not one, or a variable that should hold them is empty.",
    why: "Going on without a login would fail later and less clearly.",
    fix: "Run `docker login` or `podman login` again, set the variable, or give another `auth` in the config.",
  },
  REGISTRY_FORBIDDEN: {
    when: "A registry accepts the login and does not allow the request.",
    why: "Without the right to push nothing can be staged.",
    fix: "Give the account the right to push to this repository; some registries want the repository made first.",
  },
  REGISTRY_HELPER: {
    when: "A credential helper failed, hung or printed something else than credentials.",
    why: "Lockstep never falls back to nobody: the push would fail, or go elsewhere.",
    fix: "Run the helper by hand as the message shows, or give `auth` in the config.",
  },
  REGISTRY_INSECURE: {
    when: "A URL is plain HTTP, and the config did not ask for that, or a registry named it.",
    why: "Everybody on the way could read the login and exchange the image.",
    fix: "Use HTTPS. For a registry on your own machine or network set `network.plainHttp`, and name what gives its tokens in `network.trustedRealms`: `http://127.0.0.1:5001`.",
  },
  REGISTRY_LOGIN: {
    when: "A registry, or the server that gives its tokens, refused the credentials.",
    why: "It is not tried again: accounts are locked after a few wrong passwords.",
    fix: "Log in again where the message says the credentials come from.",
  },
  REGISTRY_NEWER: {
    when: "The image behind a tag was built from a newer revision than this release.",
    why: "Two builds raced, and the older one came last.",
    fix: "Deploy the newer revision. To go back on purpose, use `lockstep rollback`, or set `newestWins: false`.",
  },
  REGISTRY_PEER: {
    when: "The config asks for something that needs a package which is not installed.",
    why: "Only those who sign without a key, or log in with the AWS SDK, carry what that needs.",
    fix: "Install the package that the message names beside @lockstep/registry.",
  },
  REGISTRY_REALM: {
    when: "A registry sends its logins to a host that nobody trusts with the password.",
    why: "Whoever can answer for the registry could collect passwords.",
    fix: "If that host belongs to the registry, name it in `network.trustedRealms`.",
  },
  REGISTRY_REDIRECT: {
    when: "A registry redirects to plain HTTP, in circles, or to something that is no URL.",
    why: "What follows could be read and changed on the way.",
    fix: "Mend the address of the registry, or the proxy in front of it.",
  },
  REGISTRY_RELEASE_GONE: {
    when: "An image that is to be live again is no longer in the repository.",
    why: "A tag must never point at an image that cannot be pulled.",
    fix: "Choose a release that `lockstep history` lists as kept, or deploy it anew.",
  },
  REGISTRY_SIGNING: {
    when: "The key that signs images cannot be read or is of a kind nobody verifies, or who signs without one got no certificate.",
    why: "An image is pushed with its signature or not at all.",
    fix: "Give a private key as PEM, made with `openssl ecparam -name prime256v1 -genkey`. Without a key, the job needs an identity: `permissions: id-token: write` at GitHub.",
  },
  REGISTRY_SOURCE: {
    when: "A source holds names that mean something else in an image, is not what it should be, or is not there.",
    why: "Such an image would lose files of its base, or hold other content than the source.",
    fix: "Exclude the paths of the message, or mend the source.",
  },
  REGISTRY_TAG_IMMUTABLE: {
    when: "The registry does not let a tag be moved.",
    why: "Tags of this repository are set to be immutable.",
    fix: "Use a new tag for every release, or exempt the moving tags in the settings of the repository.",
  },
  REGISTRY_TAG_STAYS: {
    when: "A tag that did not exist before the run cannot be removed.",
    why: "The registry does not allow anything to be deleted, or not by this account.",
    fix: "Remove the tag by hand, or allow deletion: to the account, and for CNCF distribution with `storage.delete.enabled`.",
  },
  REGISTRY_UNREACHABLE: {
    when: "A registry, or the server that gives its tokens, does not answer.",
    why: "Nothing can be read or pushed.",
    fix: "Check the name, the network, the certificate and the proxy variables. A registry without TLS (`EPROTO`) needs `network.plainHttp`.",
  },
};
