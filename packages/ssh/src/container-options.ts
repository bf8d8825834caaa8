import { z } from "zod";
import { nameText, type Words, words } from "./words.ts";

/** A container that follows the link: the new one is started and waited for, then the old one is stopped. */
export interface SshContainerOptions {
  /** Name of a registry target of the same environment, or a reference with a digest: `ghcr.io/acme/shop@sha256:…`. */
  readonly image: string;
  /** First part of the names of the containers; the release comes behind it. */
  readonly name: string;
  /** Default `podman`. */
  readonly engine?: "podman" | "docker";
  /** Options of `podman run`: `["--network=host", "--restart=unless-stopped"]`. */
  readonly options?: readonly string[];
  /** Program and arguments in the container; default: what the image says. */
  readonly command?: readonly string[];
  /**
   * Run in the container until it ends with status 0; default: the health check of the image, else the container
   * stays up for two seconds.
   */
  readonly ready?: readonly string[];
  /** Milliseconds until it has to be ready; default 60,000. */
  readonly readyMs?: number;
  /** Stops the old one first: for containers that cannot run side by side, because of a port. Default false. */
  readonly stopFirst?: boolean;
  /** Calls `sudo -n podman …`. Default false. */
  readonly sudo?: boolean;
}

/** How containers are run. */
export interface ContainerSettings {
  readonly image: string;
  readonly name: string;
  readonly engine: "podman" | "docker";
  readonly options: Words;
  readonly command: Words;
  readonly ready: Words;
  readonly readyMs: number;
  readonly stopFirst: boolean;
  readonly sudo: boolean;
}

const list = z.array(z.string().refine((word) => !word.includes("\0"), "A NUL is not allowed"));

/** The option of {@link ContainerSettings}. */
export const containerField: z.ZodType<ContainerSettings | undefined> = z
  .strictObject({
    image: z.string().min(1),
    name: nameText,
    engine: z.enum(["podman", "docker"]).default("podman"),
    options: list.default([]),
    command: list.default([]),
    ready: z.union([words, z.array(z.string()).max(0)]).default([]),
    readyMs: z.int().min(0).default(60_000),
    stopFirst: z.boolean().default(false),
    sudo: z.boolean().default(false),
  })
  .optional();
