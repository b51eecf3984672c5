-- A person at work in Neovim: opens a file with mistakes, sees them, mends them. Ends with a code that says how it went.

local function fail(what)
  io.stderr:write("neovim: " .. what .. "\n")
  vim.cmd("cquit 1")
end

local function codes()
  local found = {}
  for _, problem in ipairs(vim.diagnostic.get(0)) do
    table.insert(found, problem.code or "?")
  end
  table.sort(found)
  return table.concat(found, " ")
end

-- Waits until the editor shows these problems.
local function shows(wanted)
  if not vim.wait(20000, function() return codes() == wanted end, 20) then
    fail("problems are '" .. codes() .. "', not '" .. wanted .. "'")
  end
end

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
end

local function has(what, found, wanted)
  if not string.find(found, wanted, 1, true) then
    fail(what .. " lacks '" .. wanted .. "':\n" .. found)
  end
end

local function keys(typed)
  vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes(typed, true, false, true), "xt", false)
end

local function ask(method, line, column, more)
  vim.api.nvim_win_set_cursor(0, { line, column })
  local params = vim.lsp.util.make_position_params()
  for key, value in pairs(more or {}) do
    params[key] = value
  end
  local answers = vim.lsp.buf_request_sync(0, method, params, 20000) or {}
  for _, answer in pairs(answers) do
    return answer.result
  end
end

local function main()
  if vim.bo.filetype ~= "route" then fail("the file type is " .. vim.bo.filetype) end
  if not vim.wait(20000, function() return #vim.tbl_keys(vim.lsp.buf_get_clients(0)) > 0 end, 20) then
    fail("no server came")
  end
  -- A misspelt field, and what it breaks.
  shows("E201")
  has("the message", vim.diagnostic.get(0)[1].message, "did you mean `tokens`?")
  -- Typed over; the proofs come when the typing pauses.
  keys("/tokns<CR>cwtokens<Esc>")
  shows("W401 W431")
  local late
  for _, problem in ipairs(vim.diagnostic.get(0)) do
    if problem.code == "W431" then late = problem end
  end
  has("the proof", late.message, "`long` takes everything")
  -- The light bulb: what is not used goes.
  vim.api.nvim_win_set_cursor(0, { 1, 0 })
  local params = vim.lsp.util.make_range_params()
  params.context = { diagnostics = {} }
  local mended = false
  for _, answer in pairs(vim.lsp.buf_request_sync(0, "textDocument/codeAction", params, 20000) or {}) do
    for _, action in ipairs(answer.result or {}) do
      if action.isPreferred then
        vim.lsp.util.apply_workspace_edit(action.edit, "utf-16")
        mended = true
      end
    end
  end
  if not mended then fail("nothing mends the unused let") end
  shows("W431")
  local line = vim.fn.search("when tokens > 200k")
  has("hover", ask("textDocument/hover", line, 8).contents.value, "tokens")
  -- Another name for the rule, everywhere.
  line = vim.fn.search("^rule long")
  vim.lsp.util.apply_workspace_edit(ask("textDocument/rename", line, 6, { newName = "large" }), "utf-16")
  has("the renamed file", text(), "expect rule large")
  -- Completion where a model stands.
  line = vim.fn.search("^default")
  local offered = {}
  for _, item in ipairs(ask("textDocument/completion", line, 17)) do
    table.insert(offered, item.label)
  end
  has("what is offered", table.concat(offered, " "), "claude-sonnet-4-6")
  -- One layout.
  local layout = vim.lsp.buf_request_sync(0, "textDocument/formatting", vim.lsp.util.make_formatting_params(), 20000)
  for _, answer in pairs(layout or {}) do
    vim.lsp.util.apply_text_edits(answer.result, 0, "utf-16")
  end
  has("the file laid out", text(), "rule large {\n  when tokens > 100k\n  route \"gemini-2.5-pro\"\n")
  -- The rule that nothing reaches goes too, and nothing is left to say but that a rule has no test.
  keys("gg/^rule late<CR>d/^default<CR>")
  shows("")
  -- Colours.
  vim.fn.search("^default")
  local group = vim.fn.synIDattr(vim.fn.synID(vim.fn.line("."), 1, 1), "name")
  if group ~= "routeItem" then fail("default is coloured as " .. group) end
  vim.cmd("write")
  vim.cmd("quitall")
end

local fine, problem = pcall(main)
if not fine then fail(tostring(problem)) end
