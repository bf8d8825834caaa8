// The same sweep as in cut.test.ts, over all its positions: LOCKSTEP_SOAK says how many.
import "./cut.test.ts";
