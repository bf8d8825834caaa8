import { describeLocalStoreCrashes } from "./describe.ts";

describeLocalStoreCrashes({});
