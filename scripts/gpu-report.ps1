# Checks and measures the GPU of this machine in under seven minutes, without network: report.json, report.txt and
# report.log in the current folder, or in $env:OUT. Arguments go to `logitscope report` (--quick, --adapter ...).
# What is not built here is left out, and said. docs/gpu-report.md tells how to read it.
$ErrorActionPreference = 'Stop'
$root = Split-Path -Parent $PSScriptRoot

$program = @("$root\target\release\logitscope.exe", "$PSScriptRoot\logitscope.exe", "$root\logitscope.exe") |
    Where-Object { Test-Path $_ } | Select-Object -First 1
if (-not $program) { $program = (Get-Command logitscope -ErrorAction SilentlyContinue).Source }
if (-not $program) {
    Write-Error "the program is not here: build it with 'cargo build --release', or unpack a package of it"
    exit 1
}

$out = if ($env:OUT) { $env:OUT } else { '.' }
$arguments = @('report', '--out', $out)
foreach ($name in 'suite', 'kernels', 'compiled', 'submission') {
    $built = Get-ChildItem "$root\target\release\deps\$name-*.exe" -ErrorAction SilentlyContinue |
        Sort-Object LastWriteTime | Select-Object -Last 1
    if ($built) { $arguments += "--$name", $built.FullName }
}
if (Test-Path "$root\tests\fixtures") { $arguments += '--checkpoints', "$root\tests\fixtures" }
$python = Get-Command python -ErrorAction SilentlyContinue
if ($python) {
    & $python.Source -c 'import torch; assert torch.cuda.is_available()' 2>$null
    if ($LASTEXITCODE -eq 0) {
        $arguments += '--pytorch', "$PSScriptRoot\gpu_report_torch.py", '--python', $python.Source
    }
}
& $program @arguments @args
exit $LASTEXITCODE
