; The installer for Windows: for the user alone, without an administrator's rights. Called by windows.sh.
Unicode true
!include "MUI2.nsh"

Name "Logitscope"
OutFile "${OUT}"
InstallDir "$LOCALAPPDATA\Programs\Logitscope"
InstallDirRegKey HKCU "Software\Logitscope" "Folder"
RequestExecutionLevel user
SetCompressor /SOLID lzma
ManifestDPIAware true

!define MUI_ICON "${FOLDER}/logitscope.ico"
!define MUI_UNICON "${FOLDER}/logitscope.ico"
!define MUI_FINISHPAGE_RUN "$INSTDIR\logitscope.exe"
!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_LICENSE "${FOLDER}/LICENSE-MIT.txt"
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\Logitscope"
!define CLASSES "Software\Classes"

Section
    SetOutPath "$INSTDIR"
    File "${FOLDER}/*"
    WriteUninstaller "$INSTDIR\uninstall.exe"
    CreateShortcut "$SMPROGRAMS\Logitscope.lnk" "$INSTDIR\logitscope.exe" "" "$INSTDIR\logitscope.ico"
    WriteRegStr HKCU "Software\Logitscope" "Folder" "$INSTDIR"
    ; GGUF files offer Logitscope under "Open with"; whatever opens them today stays.
    WriteRegStr HKCU "${CLASSES}\Logitscope.Model" "" "GGUF language model"
    WriteRegStr HKCU "${CLASSES}\Logitscope.Model\DefaultIcon" "" "$INSTDIR\logitscope.ico"
    WriteRegStr HKCU "${CLASSES}\Logitscope.Model\shell\open\command" "" '"$INSTDIR\logitscope.exe" "%1"'
    WriteRegStr HKCU "${CLASSES}\.gguf\OpenWithProgids" "Logitscope.Model" ""
    WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "Logitscope"
    WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
    WriteRegStr HKCU "${UNINSTALL}" "DisplayIcon" "$INSTDIR\logitscope.ico"
    WriteRegStr HKCU "${UNINSTALL}" "Publisher" "The Logitscope developers"
    WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
    WriteRegDWORD HKCU "${UNINSTALL}" "NoModify" 1
    WriteRegDWORD HKCU "${UNINSTALL}" "NoRepair" 1
SectionEnd

Section "Uninstall"
    Delete "$INSTDIR\logitscope.exe"
    Delete "$INSTDIR\logitscope.ico"
    Delete "$INSTDIR\LICENSE-MIT.txt"
    Delete "$INSTDIR\LICENSE-APACHE.txt"
    Delete "$INSTDIR\LICENCES-OF-CRATES.txt"
    Delete "$INSTDIR\README.md"
    Delete "$INSTDIR\CHANGELOG.md"
    Delete "$INSTDIR\uninstall.exe"
    RMDir "$INSTDIR"
    Delete "$SMPROGRAMS\Logitscope.lnk"
    DeleteRegKey HKCU "${CLASSES}\Logitscope.Model"
    DeleteRegValue HKCU "${CLASSES}\.gguf\OpenWithProgids" "Logitscope.Model"
    DeleteRegKey HKCU "${UNINSTALL}"
    DeleteRegKey HKCU "Software\Logitscope"
SectionEnd
