-- Starts `router lsp` for the rules in a buffer. Neovim 0.7 or newer.
-- `vim.g.claude_router` may say other arguments: { cmd = { "/path/to/router", "lsp" } }.

if vim.b.did_ftplugin then
  return
end
vim.b.did_ftplugin = true

vim.bo.commentstring = "# %s"
vim.bo.expandtab = true
vim.bo.shiftwidth = 2
vim.bo.softtabstop = 2

local buffer = vim.api.nvim_get_current_buf()
local name = vim.api.nvim_buf_get_name(buffer)
if name == "" then
  return
end

-- The folder of the configuration, else of the repository, else of the file.
local folder = vim.fn.fnamemodify(name, ":p:h")
local function above(found)
  return found ~= "" and vim.fn.fnamemodify(found, ":p:h") or nil
end
local git = vim.fn.finddir(".git", folder .. ";")
local root = above(vim.fn.findfile("router.json", folder .. ";"))
  or (git ~= "" and vim.fn.fnamemodify(git, ":p:h:h"))
  or folder

local settings = vim.g.claude_router or {}
local config = {
  name = "claude-router",
  cmd = settings.cmd or { "router", "lsp" },
  root_dir = root,
}
if vim.fn.executable(config.cmd[1]) == 0 then
  vim.notify_once("claude-router: `" .. config.cmd[1] .. "` is not in PATH", vim.log.levels.WARN)
  return
end

if vim.lsp.start then
  vim.lsp.start(config, { bufnr = buffer })
else
  -- One server for all files of a folder.
  for _, client in pairs(vim.lsp.get_active_clients()) do
    if client.name == config.name and client.config.root_dir == root then
      vim.lsp.buf_attach_client(buffer, client.id)
      return
    end
  end
  vim.lsp.buf_attach_client(buffer, vim.lsp.start_client(config))
end
