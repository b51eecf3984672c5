" Colours for route rules. The words are those of the language's tables: a test compares them.
if exists("b:current_syntax")
  finish
endif

syn iskeyword @,48-57,_
syn keyword routeControl when otherwise route else reject retry_after set timeout total retry cache off tag mirror transform given expect unservable confidence
syn keyword routeItem adjust budget default label language let pool rule test use
syn keyword routeOperator and or not no has in is like matches any all none word exact
" `contains` is an option of `syn keyword`.
syn match routeOperator "\<contains\>"
syn keyword routeClause ordered per for each hard sticky hedge
syn keyword routeValue true false same model
syn keyword routeKind weighted round_robin least_busy fastest cheapest hour day week month
syn keyword routeMember messages chat responses main sub background other minimal low medium high xhigh max mon tue wed thu fri sat sun
syn keyword routeSetting contained temperature top_p top_k max_tokens thinking effort stop header system
syn keyword routeField api client stream max_tokens temperature effort tokens prompt system conversation messages turns files tools images documents thinking web_search agent compacted project session user key header metadata time weekday date bucket cost switch_cost healthy latency errors target
syn match routeField "\<\%(thinking\.budget\|target\.provider\|history\.tokens\|prompt\.tokens\|system\.tokens\|session\.model\|tools\.tokens\|agent\.type\|files\.all\)\>"
syn match routeField "\%(\w\.\)\@<=\%(spent\|remaining\|used\|confidence\)\>"
syn match routeControl "\<set\>" nextgroup=routeSetting skipwhite skipempty
syn match routeDeclared "\%(\<\%(rule\|let\|label\|pool\|budget\|adjust\)\s\+\)\@<=\h\w*"
syn match routeClass "^\s*\zs\%(when\>\)\@!\h\w*\ze\s\+\%(when\|otherwise\)\>"
syn match routeQuantity "\%(\w\.\?\)\@<!\%(\d\{4}-\d\+-\d\+\|\d\+:\d\+\|\$\?\%(\d\w*\%(\.\d\w*\)\?\|\.\d\w*\)%\?\)"
syn region routeText start=+"+ skip=+\\.+ end=+"+ oneline
syn region routeRegex start=+/+ skip=+\\.+ end=+/\a*+ oneline
syn match routeComment "#.*$" contains=routeLint,@Spell
syn match routeLint "lint:\s*allow([^)]*)" contained

hi def link routeComment Comment
hi def link routeLint SpecialComment
hi def link routeText String
hi def link routeRegex String
hi def link routeQuantity Number
hi def link routeControl Statement
hi def link routeItem Structure
hi def link routeOperator Operator
hi def link routeClause StorageClass
hi def link routeValue Constant
hi def link routeMember Constant
hi def link routeKind Constant
hi def link routeField Identifier
hi def link routeSetting Type
hi def link routeDeclared Function
hi def link routeClass Type

let b:current_syntax = "route"
