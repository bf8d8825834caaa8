import { describeSshCrashes, describeSshNetwork } from "./sweeps.ts";

describeSshCrashes({});
describeSshNetwork({ positions: 100 });
