import { describeFurnishedSweeps } from "./furnished.ts";

describeFurnishedSweeps({ positions: 100 });
