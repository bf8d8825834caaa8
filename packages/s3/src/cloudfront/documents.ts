import { type SiteFile, type SiteRelease, siteRelease } from "../release.ts";
import type { Site } from "../site.ts";
import { MISSING_PAGE, STATUS_HEADER } from "./route.ts";

const LOCATION = "x-amz-website-redirect-location";

/** Where a redirect leads; undefined for everything else. */
export function redirectTarget({ headers }: SiteFile): string | undefined {
  return headers[LOCATION];
}

/** Tells whether a file is a redirect: an entry of the table, never an object. */
export function isRedirect(file: SiteFile): boolean {
  return redirectTarget(file) !== undefined;
}

/** What is below `r/<id>/`. */
export function documentsOf({ files }: SiteRelease): readonly SiteFile[] {
  return files.filter((file) => !file.inPlace && !isRedirect(file));
}

/** What is in the pool. */
export function assetsOf({ files }: SiteRelease): readonly SiteFile[] {
  return files.filter(({ inPlace }) => inPlace);
}

/** The site as the router serves it: the page for what is missing carries its status. */
export function routedSite(site: Site, isPooled: (path: string) => boolean): Site {
  const files = site.release.files.map((file): SiteFile => {
    // a name that the router would not look for in the pool
    const inPlace = file.inPlace && isPooled(file.path);
    if (file.path !== MISSING_PAGE) return { ...file, inPlace };
    const headers = Object.entries({ ...file.headers, [STATUS_HEADER]: "404" });
    return { ...file, inPlace, headers: Object.fromEntries(headers.toSorted(byName)) };
  });
  return { ...site, release: siteRelease(files) };
}

function byName([left]: [string, string], [right]: [string, string]): number {
  return left < right ? -1 : 1;
}
