import { describeS3StoreCrashes } from "./crashes.ts";

describeS3StoreCrashes({});
