import { describeRoutedCrashes, describeRoutedNetwork } from "./sweeps.ts";

describeRoutedCrashes({});
describeRoutedNetwork({ positions: 60 });
