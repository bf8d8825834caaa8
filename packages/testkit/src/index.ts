export { type Account, type AccountOptions, createAccount } from "./account.ts";
export type { ForeignEdit } from "./claims.ts";
export {
  type KeyValueFault,
  type KeyValueRequest,
  type SandboxKeyValues,
  startSandboxKeyValues,
} from "./cloudfront-values.ts";
export { testContext } from "./context.ts";
export { type Direction, type FaultProxy, startFaultProxy } from "./fault-proxy.ts";
export type {
  RegistryAuth,
  RegistryFault,
  RegistryQuirks,
  RegistryRequest,
  SandboxRegistry,
} from "./registry-exchange.ts";
export { type SandboxRegistryOptions, startSandboxRegistry } from "./registry-sandbox.ts";
export {
  type Distribution,
  type DistributionOptions,
  startDistribution,
} from "./registry-distribution.ts";
export { type CrashModule, type CrashSweep, describeCrashSweep } from "./sweep/crash-sweep.ts";
export type { MayMiss } from "./sweep/inconclusive.ts";
export type { CrashWorld, Scenery } from "./sweep/scene.ts";
export {
  describeStoreCrashSweep,
  type StoreCrashModule,
  type StoreSweep,
} from "./sweep/store-sweep.ts";
export { describeNetworkSweep, type NetworkSweep } from "./sweep/network-sweep.ts";
export { startTokenServer, type TokenServer, type TokenServerOptions } from "./registry-tokens.ts";
export { RegistryStore, type StoredManifest, type StoredRepository } from "./registry-store.ts";
export { type Radosgw, type RadosgwOptions, startRadosgw } from "./radosgw.ts";
export type { S3Access, S3Quirks, S3Request } from "./s3-call.ts";
export {
  type S3Fault,
  type SandboxS3,
  type SandboxS3Options,
  startSandboxS3,
} from "./s3-sandbox.ts";
export type { S3Credentials } from "./s3-signature.ts";
export type { S3Bucket, S3Object } from "./s3-objects.ts";
export { type SandboxSsh, type SandboxSshOptions, startSandboxSsh } from "./sandbox/ssh.ts";
export { describeOlderStep, type OlderStep } from "./older-step-contract.ts";
export { type KeyPair, makeKeyPair } from "./ssh-keys.ts";
export { type Sshd, type SshdOptions, startSshd } from "./sshd.ts";
export { sampleOf, type SampleOptions } from "./sweep/sample.ts";
export { MemoryStore } from "./memory/store.ts";
export { memoryTarget, type MemoryTargetOptions } from "./memory/target.ts";
export { type HookTime, type MemoryRef, type MemoryUnit, MemoryWorld } from "./memory/world.ts";
export { describeStepContract, type StepCase } from "./step-contract.ts";
export { describeStoreContract, type StoreWorld } from "./store-contract.ts";
export { describeTargetContract } from "./target-contract.ts";
export type { ContractWorld, TargetWorld } from "./target-world.ts";
