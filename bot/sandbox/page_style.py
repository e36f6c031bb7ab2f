"""How the page of a conversation looks."""

from typing import Final

STYLE: Final = """
body { margin: 0; background: #313338; color: #dbdee1;
  font: 15px/1.4 system-ui, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 680px; margin: 0 auto; padding: 12px 16px 20px; }
h2.channel { font-size: 14px; color: #949ba4; border-bottom: 1px solid #3f4147; padding-bottom: 4px; margin: 8px 0; }
article { display: flex; gap: 14px; padding: 7px 8px; border-radius: 6px; }
article.private { background: #353748; }
article.gone { opacity: 0.45; }
.avatar { flex: none; width: 38px; height: 38px; border-radius: 50%; background: #4453c4; color: #fff;
  display: grid; place-items: center; font-weight: 600; }
.avatar.member { background: #2d7d58; }
.body { min-width: 0; flex: 1; }
header b { color: #f2f3f5; }
header .app { background: #4453c4; color: #fff; font-size: 10px; border-radius: 3px; padding: 1px 4px; }
header time, header small, .only { color: #949ba4; font-size: 12px; }
.only { margin: 4px 0 0; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
.text > div:empty::before { content: " "; }
.text .h1 { font-size: 22px; font-weight: 700; color: #f2f3f5; margin-top: 8px; }
.text .h2 { font-size: 19px; font-weight: 700; color: #f2f3f5; margin-top: 8px; }
.text .h3 { font-size: 16px; font-weight: 700; color: #f2f3f5; margin-top: 8px; }
.text .small { font-size: 12.5px; color: #a3a9b1; }
.text .item { margin-left: 20px; display: list-item; }
.text .quote { border-left: 4px solid #4e5058; padding-left: 10px; }
.text mark { background: #1e1f22; color: inherit; }
code { background: #1e1f22; border-radius: 4px; padding: 1px 4px; font-family: "DejaVu Sans Mono", monospace;
  font-size: 13px; }
.mention, .typed { background: #3c4270; color: #c9cdfb; border-radius: 3px; padding: 0 3px; }
.link { color: #00a8fc; }
figure { margin: 6px 0; }
img { max-width: 420px; max-height: 460px; border-radius: 8px; display: block; }
.gallery { display: flex; flex-wrap: wrap; gap: 4px; margin: 6px 0; }
.gallery img { max-width: 200px; }
.thumbnail img { max-width: 90px; }
.container { background: #2b2d31; border: 1px solid #3f4147; border-radius: 8px; padding: 10px 12px; margin: 6px 0; }
.section { display: flex; margin: 8px 0; justify-content: space-between; gap: 12px; align-items: flex-start; }
hr { border: 0; border-top: 1px solid #3f4147; margin: 10px 0; }
.row { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 8px; }
.button { display: inline-block; padding: 5px 14px;
  border-radius: 7px; background: #43444b; color: #fff; font-size: 14px; font-weight: 500; }
.button.primary { background: #4453c4; }
.button.success { background: #2d7d46; }
.button.danger { background: #c53b3f; }
.off { opacity: 0.5; }
.select { width: 400px; max-width: 100%; background: #26272b; border: 1px solid #3f4147; border-radius: 7px; }
.select summary { padding: 7px 12px; list-style: none; display: flex; justify-content: space-between; }
.select summary::after { content: "⌄"; }
.select ul { margin: 0; padding: 0 12px 8px; list-style: none; }
.select li { padding: 2px 0; }
li small, label small { color: #a3a9b1; margin-left: 10px; }
.file { display: inline-block; background: #2b2d31; border: 1px solid #3f4147; border-radius: 8px; padding: 10px 14px;
  margin: 6px 0; color: #00a8fc; }
.file small { color: #949ba4; margin-left: 10px; }
.deed { color: #949ba4; font-size: 13px; margin: 6px 0 2px; text-align: center; }
.remark, .failure { margin: 4px 60px; font: inherit; white-space: pre-wrap; color: #b5bac1; background: #2b2d31;
  border-radius: 6px; padding: 6px 10px; }
.failure { color: #fa777c; }
.earlier { color: #949ba4; font-size: 13px; margin: 2px 0; }
.earlier .state { border-left: 3px solid #4e5058; padding-left: 10px; margin: 8px 0; color: #dbdee1; font-size: 15px; }
.form { background: #2b2d31; border-radius: 10px; padding: 16px 18px; margin: 10px auto; max-width: 440px; }
.form h2 { margin: 0 0 8px; font-size: 18px; color: #f2f3f5; }
.form label { display: block; margin: 12px 0 4px; font-weight: 600; }
.form .row { justify-content: flex-end; margin-top: 16px; }
.input { background: #1e1f22; border-radius: 6px; padding: 8px 10px; white-space: pre-wrap; }
.input.empty { color: #87898c; }
.absent { font-style: italic; color: #949ba4; }
"""
