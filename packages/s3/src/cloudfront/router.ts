import { STATUS_HEADER } from "./route.ts";
import { DIGESTED, POOLED } from "./shape.ts";

/** What the functions of a distribution have to know. */
export interface RouterOptions {
  /** As `cloudfront.site` of the target; default `site`. */
  readonly site?: string;
  /** Hosts of branches: `preview.example.com` for `my-branch.preview.example.com`; default none. */
  readonly previews?: string;
}

/** Code of the two functions, for the runtime `cloudfront-js-2.0`. */
export interface RouterCode {
  /** For the event viewer request; needs the key value store. */
  readonly viewerRequest: string;
  /** For the event viewer response. */
  readonly viewerResponse: string;
}

/** Raised with every change of the code that users have to install. */
export const ROUTER_VERSION = 1;

/** Where a router says its version and its site, on every host. */
export const ROUTER_PATH = "/.well-known/lockstep-router";

/** Name of the cookie and of the parameter that choose a staged release. */
export const PREVIEW_NAME = "lockstep-preview";

/**
 * Writes the functions that a CloudFront distribution needs in front of a bucket of releases. The same options
 * make the same code.
 *
 * @see Amazon CloudFront Developer Guide, "JavaScript runtime 2.0 features for CloudFront Functions"
 * @throws {TypeError} for a site or a host that is none
 */
export function cloudFrontFunctions({ site = "site", previews }: RouterOptions = {}): RouterCode {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(site)) throw new TypeError(`${site} is no name of a site.`);
  if (previews !== undefined && !/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(previews)) {
    throw new TypeError(`${previews} is no host such as preview.example.com.`);
  }
  const constants = [
    `const VERSION = 'lockstep-router/${ROUTER_VERSION}';`,
    `const SITE = '${site}';`,
    `const PREVIEWS = '${previews === undefined ? "" : `.${previews}`}';`,
    `const POOLED = ${String(POOLED)};`,
    `const DIGESTED = ${String(DIGESTED)};`,
  ];
  return {
    viewerRequest: `${IMPORTS}\n${constants.join("\n")}\n${REQUEST}`,
    viewerResponse: RESPONSE,
  };
}

const IMPORTS = `// Made by @lockstep/s3 for viewer requests. Do not edit: make it again.
import cf from 'cloudfront';
import crypto from 'crypto';
`;

// The runtime knows neither for-of nor await inside of expressions, and is slow with promises side by side.
const REQUEST = String.raw`
async function handler(event) {
  const request = event.request;
  if (request.uri === '${ROUTER_PATH}') return answer(200, VERSION + ' ' + SITE);
  const wish = request.querystring['${PREVIEW_NAME}'];
  if (wish) return choose(request.uri, wish.value);

  const name = nameOf(request.headers.host);
  if (name === '') return answer(404, 'No such site.');
  const cookie = request.cookies['${PREVIEW_NAME}'];
  const isPreview = Boolean(cookie) && isRelease(cookie.value);
  const text = await read(isPreview ? name + '.staged.' + cookie.value : name);
  if (text === null) {
    return isPreview ? answer(404, 'This preview is gone.') : answer(503, 'Nothing is live here.');
  }

  const path = pathOf(request.uri);
  if (path === null) return answer(404, 'Not found.');
  const route = JSON.parse(text);
  const list = await read(name + '.t.' + route.table + '.' + partOf(path, route.parts));
  if (list === null) return answer(503, 'The list of pages cannot be read.');

  const found = resolve(path, list, route);
  if (found.redirect) {
    const target = await read(name + '.t.' + route.table + '.r' + digest(found.redirect).slice(0, 24));
    if (target === null) return answer(503, 'The redirect cannot be read.');
    return redirect(parseInt(target, 10), target.slice(4));
  }
  if (found.location) return redirect(301, found.location);
  if (found.isMissing && route.patterns) {
    const patterns = await read(name + '.t.' + route.table + '.w');
    if (patterns === null) return answer(503, 'The redirects cannot be read.');
    const target = patternFor(path, patterns.split('\n'));
    if (target !== null) return redirect(parseInt(target, 10), target.slice(4));
  }
  if (!found.key) return answer(404, 'Not found.');
  request.uri = '/' + encode(route.base + found.key);
  return request;
}

function resolve(path, list, route) {
  const documents = 'r/' + route.id + '/';
  const has = (kind, file) => isListed(list, route.salt + kind + file);
  if (path === '' || path.slice(-1) === '/') {
    const page = path.slice(0, -1);
    if (has('=', path + 'index.html')) return { key: documents + path + 'index.html' };
    if (page !== '' && has('=', page + '.html')) return { location: '/' + encode(page) };
    if (has('>', path + 'index.html')) return { redirect: path + 'index.html' };
  } else {
    if (has('=', path)) return { key: documents + path };
    if (has('=', path + '.html')) return { key: documents + path + '.html' };
    if (has('=', path + '/index.html')) return { location: '/' + encode(path) + '/' };
    if (has('>', path)) return { redirect: path };
    if (DIGESTED.test(path)) return { key: 'p/' + path };
  }
  // what is no page may be of a release before, for pages that are open; it is never answered with a page
  if (POOLED.test(path)) return { isMissing: true, key: 'p/' + path };
  return { isMissing: true, key: route.fallback ? documents + route.fallback : '' };
}

function patternFor(path, lines) {
  let at = 0;
  while (at < lines.length) {
    const words = lines[at].split(' ');
    const folder = decodeURIComponent(words[0]);
    if (path.slice(0, folder.length) === folder || path + '/' === folder) {
      const rest = encode(path.slice(folder.length));
      return words[1] + ' ' + words[2].split(':splat').join(rest);
    }
    at += 1;
  }
  return null;
}

function pathOf(uri) {
  let path;
  try {
    path = decodeURIComponent(uri).slice(1);
  } catch (error) {
    return null;
  }
  return /[\u0000-\u001f\\]|\/\/|^\/|(?:^|\/)\.{1,2}(?:\/|$)/.test(path) ? null : path;
}

function partOf(path, parts) {
  const stem = path.replace(/(^|\/)index\.html$/, '').replace(/\.html$/, '').replace(/\/$/, '');
  return parseInt(digest(stem).slice(0, 8), 16) % parts;
}

function isListed(list, text) {
  const entry = crypto.createHash('sha256').update(text).digest('base64').slice(0, 5);
  let at = list.indexOf(entry);
  while (at !== -1 && at % 5 !== 0) at = list.indexOf(entry, at + 1);
  return at !== -1;
}

function digest(text) {
  return crypto.createHash('sha256').update(text).digest('hex');
}

function nameOf(host) {
  const name = host ? host.value.toLowerCase().replace(/:\d+$/, '') : '';
  if (PREVIEWS === '' || name.slice(-PREVIEWS.length) !== PREVIEWS) return SITE;
  const branch = name.slice(0, -PREVIEWS.length);
  return /^[a-z0-9][a-z0-9-]*$/.test(branch) ? SITE + '~' + branch : '';
}

function isRelease(text) {
  return /^[0-9a-f]{64}$/.test(text);
}

async function read(key) {
  try {
    const value = await cf.kvs().get(key);
    return value;
  } catch (error) {
    return null;
  }
}

function encode(path) {
  return path.split('/').map(encodeURIComponent).join('/');
}

function choose(uri, wish) {
  const isOn = isRelease(wish);
  const cookie = { value: isOn ? wish : 'off' };
  cookie.attributes = 'Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=' + (isOn ? 3600 : 0);
  const path = pathOf(uri);
  const response = answer(302, '');
  response.headers.location = { value: '/' + (path === null ? '' : encode(path)) };
  response.cookies = { '${PREVIEW_NAME}': cookie };
  return response;
}

function redirect(status, location) {
  const response = answer(status, '');
  response.headers.location = { value: location };
  return response;
}

function answer(status, text) {
  const caching = status === 301 || status === 308 ? 'public, max-age=0, must-revalidate' : 'no-store';
  const words = { 200: 'OK', 301: 'Moved Permanently', 302: 'Found', 303: 'See Other' };
  words[307] = 'Temporary Redirect';
  words[308] = 'Permanent Redirect';
  words[404] = 'Not Found';
  return {
    statusCode: status,
    statusDescription: words[status] || 'Service Unavailable',
    headers: {
      'cache-control': { value: caching },
      'content-type': { value: 'text/plain; charset=utf-8' },
      'x-content-type-options': { value: 'nosniff' },
    },
    body: { encoding: 'text', data: text === '' ? '' : text + '\n' },
  };
}
`;

const RESPONSE = `// Made by @lockstep/s3 for viewer responses. Do not edit: make it again.
function handler(event) {
  const response = event.response;
  const mark = response.headers['${STATUS_HEADER}'];
  if (mark && response.statusCode === 200) {
    response.statusCode = parseInt(mark.value, 10);
    response.statusDescription = 'Not Found';
  }
  return response;
}
`;
