/** One drawing per product: flat shapes in the two colors of an edition. */
const SHAPES = {
  "enamel-mug": ({ accent, ink }) => `
    <path d="M84 92h92v92a20 20 0 0 1-20 20h-52a20 20 0 0 1-20-20z" fill="${accent}"/>
    <path d="M176 112h16a24 24 0 0 1 0 56h-16" fill="none" stroke="${accent}" stroke-width="13"/>
    <path d="M80 92h100" stroke="${ink}" stroke-width="9" stroke-linecap="round"/>
    <path d="M112 68c-8-12 8-18 0-32M138 68c-8-12 8-18 0-32" fill="none" stroke="${ink}" stroke-width="5" stroke-linecap="round" opacity=".45"/>`,
  "pour-over": ({ accent, ink }) => `
    <path d="M78 76h104l-40 64h-24z" fill="${accent}"/>
    <path d="M98 84l24 48M130 84v48M162 84l-24 48" stroke="${ink}" stroke-width="4" opacity=".35"/>
    <path d="M96 144h68" stroke="${ink}" stroke-width="10" stroke-linecap="round"/>
    <path d="M130 156v14" stroke="${ink}" stroke-width="5" stroke-linecap="round"/>
    <path d="M98 178h64l-6 30a8 8 0 0 1-8 6h-36a8 8 0 0 1-8-6z" fill="none" stroke="${ink}" stroke-width="6"/>`,
  "beeswax-candle": ({ accent, ink }) => `
    <rect x="106" y="100" width="48" height="106" rx="6" fill="${accent}"/>
    <path d="M106 122h48M106 146h48M106 170h48" stroke="${ink}" stroke-width="3" opacity=".25"/>
    <path d="M130 100V84" stroke="${ink}" stroke-width="5" stroke-linecap="round"/>
    <path d="M130 44c14 16 16 24 10 34a12 12 0 0 1-20 0c-6-10-2-16 10-34z" fill="${ink}" opacity=".8"/>
    <path d="M88 208h84" stroke="${ink}" stroke-width="9" stroke-linecap="round"/>`,
  "linen-towel": ({ accent, ink }) => `
    <path d="M72 66h116" stroke="${ink}" stroke-width="9" stroke-linecap="round"/>
    <path d="M88 66h84v132H88z" fill="${accent}"/>
    <path d="M88 168h84M88 180h84" stroke="${ink}" stroke-width="4" opacity=".4"/>
    <path d="M92 198v12M104 198v12M116 198v12M128 198v12M140 198v12M152 198v12M166 198v12" stroke="${accent}" stroke-width="4"/>`,
  "oak-tray": ({ accent, ink }) => `
    <rect x="52" y="88" width="156" height="92" rx="16" fill="${accent}"/>
    <path d="M72 112c40-10 70 10 116 0M72 134c50-12 66 12 116 0M72 156c44-8 72 8 116 0" fill="none" stroke="${ink}" stroke-width="4" opacity=".35"/>
    <rect x="66" y="124" width="6" height="22" rx="3" fill="${ink}"/>
    <rect x="188" y="124" width="6" height="22" rx="3" fill="${ink}"/>`,
  "copper-kettle": ({ accent, ink }) => `
    <path d="M84 128a52 40 0 0 1 104 0l10 66a8 8 0 0 1-8 9H82a8 8 0 0 1-8-9z" fill="${accent}"/>
    <path d="M76 176C48 170 62 118 38 104" fill="none" stroke="${accent}" stroke-width="11" stroke-linecap="round"/>
    <path d="M98 92c0-52 76-52 76 0" fill="none" stroke="${ink}" stroke-width="8" stroke-linecap="round"/>
    <circle cx="136" cy="82" r="8" fill="${ink}"/>`,
};

/** The picture of a product as SVG. */
export function drawingOf({ id, name }, palette) {
  const shapes = SHAPES[id](palette);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 260 260" role="img" aria-label="${name}">
  <rect width="260" height="260" fill="${palette.wash}"/>
  <circle cx="130" cy="136" r="96" fill="${palette.paper}" opacity=".7"/>${shapes}
</svg>
`;
}
