/** The script of a page: it moves the dividers, and shows one pair of frames at a time. */
export const SCRIPT = `
for (const figure of document.querySelectorAll('.compare')) {
  const divider = figure.querySelector('input');
  const pairs = [...figure.querySelectorAll('.pair')];
  const buttons = [...figure.querySelectorAll('button')];
  const move = () => figure.style.setProperty('--at', divider.value + '%');
  const show = (chosen) => {
    pairs.forEach((pair, at) => { pair.hidden = at !== chosen; });
    buttons.forEach((button, at) => button.setAttribute('aria-pressed', String(at === chosen)));
  };
  divider.addEventListener('input', move);
  buttons.forEach((button, at) => button.addEventListener('click', () => show(at)));
  figure.classList.add('live');
  show(0);
  move();
}
`;
