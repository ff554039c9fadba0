// Before the first paint, so that nothing flashes: the theme and the language that were chosen here.
const chosen = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
if (chosen('theme')) document.documentElement.dataset.theme = chosen('theme');
if (chosen('language')) document.documentElement.lang = chosen('language');
