@echo off
rem Starts the signature tool; without arguments its window.
where py >nul 2>nul && (py -3 "%~dp0sluice_sign.py" %* & exit /b)
python "%~dp0sluice_sign.py" %*
