export { contentType } from "./content-type.ts";
