/** A character that steers a terminal; line feeds are taken for ends of lines. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are searched
export const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;
