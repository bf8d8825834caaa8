import { describeFights } from "../fights.ts";

describeFights(150);
