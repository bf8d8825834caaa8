import { describeSite, inSandbox } from "./site.ts";

describeSite("a sandbox server", inSandbox);
