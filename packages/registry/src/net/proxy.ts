import { request as requestHttp } from "node:http";
import { Agent, type AgentOptions } from "node:https";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";

/** Which URLs go through a proxy; undefined: directly. */
export type Proxies = (url: URL) => URL | undefined;

/**
 * The proxies that variables name: `HTTPS_PROXY`, and `NO_PROXY` with names, domains and `*`. Lower case wins.
 *
 * Only HTTPS goes through a proxy, in a tunnel that the proxy cannot look into.
 */
export function proxiesOf(env: Readonly<Record<string, string | undefined>>): Proxies {
  const proxy = env["https_proxy"] ?? env["HTTPS_PROXY"] ?? "";
  const exceptions = (env["no_proxy"] ?? env["NO_PROXY"] ?? "").split(/[\s,]+/).filter(Boolean);
  const url = proxy === "" ? null : URL.parse(proxy.includes("://") ? proxy : `http://${proxy}`);
  return (target) =>
    url === null || exceptions.some((exception) => isException(exception, target))
      ? undefined
      : url;
}

function isException(exception: string, { host, hostname }: URL): boolean {
  const name = exception.replace(/^\*?\./, "").toLowerCase();
  return exception === "*" || host === name || hostname === name || hostname.endsWith(`.${name}`);
}

/** The agent for a URL that goes through a proxy. */
export interface Tunnels {
  (url: URL): Agent | undefined;
  destroy(): void;
}

/** Agents whose connections run through a proxy, one for each proxy. */
export function tunnel(options: AgentOptions, proxies: Proxies): Tunnels {
  const agents = new Map<string, Agent>();
  const choose = (url: URL): Agent | undefined => {
    const proxy = proxies(url);
    if (proxy === undefined) return undefined;
    const known = agents.get(proxy.href) ?? agentThrough(proxy, options);
    agents.set(proxy.href, known);
    return known;
  };
  return Object.assign(choose, {
    destroy() {
      for (const agent of agents.values()) agent.destroy();
    },
  });
}

function agentThrough(proxy: URL, options: AgentOptions): Agent {
  const agent = new Agent(options);
  agent.createConnection = (wanted, done): undefined => {
    const { host = "", port = 443 } = wanted as { host?: string; port?: number };
    const words = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const login = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    const asking = requestHttp({
      host: proxy.hostname,
      port: proxy.port === "" ? 80 : Number(proxy.port),
      method: "CONNECT",
      path: words,
      headers: {
        host: words,
        ...(proxy.username === ""
          ? {}
          : { "proxy-authorization": `Basic ${Buffer.from(login).toString("base64")}` }),
      },
    });
    asking.once("error", (error) => done?.(error, undefined as unknown as Duplex));
    asking.once("connect", ({ statusCode }, socket) => {
      if (statusCode === 200) {
        done?.(null, connectTls({ ...options, servername: host, socket }));
        return;
      }
      socket.destroy();
      const why = new Error(`the proxy answered ${statusCode}`);
      done?.(why, undefined as unknown as Duplex);
    });
    asking.end();
    return undefined;
  };
  return agent;
}
